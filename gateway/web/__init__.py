"""Pages for people: server-rendered, Dutch first, working without JavaScript."""
