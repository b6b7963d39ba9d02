// Helpers for tests
