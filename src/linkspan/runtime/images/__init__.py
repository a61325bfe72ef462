"""Images: pulled, loaded, imported, stored by digest."""
