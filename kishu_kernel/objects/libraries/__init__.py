"""One file for each library: all that is known of it. A new file is all that it takes (`objects/registry`)."""
