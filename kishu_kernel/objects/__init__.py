"""How an object comes apart, is stored as bytes, and comes together again."""
