"""One module for each page: layout() asks the API and gives the page, register() adds its callbacks."""
