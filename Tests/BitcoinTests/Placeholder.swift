import Testing

@testable import Bitcoin
