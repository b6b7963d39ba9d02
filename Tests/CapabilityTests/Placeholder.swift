import Testing

@testable import Capability
