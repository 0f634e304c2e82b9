"""What a service process needs, without a word of the domain: settings, database, outbox, bus, storage, logs, health."""
