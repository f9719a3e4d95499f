"""What each page shows, as values: a view or rows in, parts of a page out. No HTML, no HTTP."""
