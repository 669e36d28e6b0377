"""Where records, their log and marks are kept. The only room that knows SQL; it knows no rule."""
