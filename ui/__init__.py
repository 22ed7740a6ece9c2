"""The window: pages, item models, delegates and widgets."""
