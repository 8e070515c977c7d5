"""One table of steps, each with the controls of some settings: /imageadmin setup walks through them, and the panel opens one."""
