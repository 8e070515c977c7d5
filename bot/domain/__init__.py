"""Values and rules, pure: nothing here reads or writes anything."""
