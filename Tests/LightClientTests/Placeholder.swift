import Testing

@testable import LightClient
