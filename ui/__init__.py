"""The window: screens, item models and delegates; knows neither torch nor the engine."""
