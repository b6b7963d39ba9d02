import Testing

@testable import ChainFollower
