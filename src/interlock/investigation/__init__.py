"""What a log proves, offline: reads committed rows, knows neither server nor store, and imports the domain only."""
