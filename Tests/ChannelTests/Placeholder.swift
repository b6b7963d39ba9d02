import Testing

@testable import Channel
