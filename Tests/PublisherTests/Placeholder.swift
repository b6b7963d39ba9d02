import Testing

@testable import Publisher
