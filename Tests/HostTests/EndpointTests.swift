import Testing

@testable import Host

@Suite struct EndpointTests {
  @Test func readsWhatPeopleWrite() throws {
    #expect(try Endpoint(parsing: "example.org:18444") == .tcp(host: "example.org", port: 18444))
    #expect(try Endpoint(parsing: "127.0.0.1:0") == .tcp(host: "127.0.0.1", port: 0))
    #expect(try Endpoint(parsing: "[::1]:65535") == .tcp(host: "::1", port: 65535))
    #expect(try Endpoint(parsing: "unix:/run/a b") == .unix(path: "/run/a b"))
    for text in ["[::1]:65535", "a:1", "unix:/x"] {
      #expect(try Endpoint(parsing: text).description == text)
    }
  }

  @Test(arguments: [
    "", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:1x", "::1:80", "[]:80",
    "host:000080", "a b:", "unix:", "[[]]:8", "[a:80", "a]:80",
  ])
  func refusesTheRest(_ text: String) {
    #expect(throws: HostError.badAddress(text: text)) { try Endpoint(parsing: text) }
  }

  @Test func addressesAreNumbers() throws {
    let v4 = try #require(SocketAddress(host: "10.1.2.3", port: 0x1234))
    #expect(v4.description == "10.1.2.3:4660")
    #expect(v4.ipv6Bytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3])
    let v6 = try #require(SocketAddress(host: "2001:db8::1", port: 80))
    #expect(v6.description == "[2001:db8::1]:80")
    #expect(v6.ipv6Bytes == [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    #expect(SocketAddress(host: "localhost", port: 1) == nil)
    #expect(SocketAddress(host: "1.2.3", port: 1) == nil)
    #expect(SocketAddress(host: "1.2.3.4\0", port: 1) == nil)
  }
}
