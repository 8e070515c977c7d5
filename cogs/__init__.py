"""Discord commands, buttons, menus, forms and reactions. A cog parses, calls one service method and answers once."""
