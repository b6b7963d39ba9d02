// Capability
