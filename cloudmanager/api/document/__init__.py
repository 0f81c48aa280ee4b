"""The OpenAPI document: what declarations say, in words and with examples."""
