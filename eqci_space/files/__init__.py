"""How any file is read within bounds and written whole."""
