"""The browser interface: Dash pages over the public REST API and the event stream."""
