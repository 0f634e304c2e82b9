"""What a person should know before a training is paid for; `examine` runs every check over some rows of the table."""
