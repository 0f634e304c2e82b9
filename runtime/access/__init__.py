"""Who asks, and for whom: workspaces, their API keys, signed-in browsers, and which workspace a job is in."""
