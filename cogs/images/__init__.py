"""Images: commands, menus, buttons and forms that make, edit and show them."""
