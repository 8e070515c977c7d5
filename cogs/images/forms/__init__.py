"""The parts of the forms that order an image: their rows, the choices of their menus, and what is kept while they are open."""
