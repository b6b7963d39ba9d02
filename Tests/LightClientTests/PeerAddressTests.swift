import LightClient
import Testing

@Suite struct PeerAddressTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1:18444"), ("1.2.3.4:8333", "1.2.3.4:8333"),
    ("[::1]:9", "[0:0:0:0:0:0:0:1]:9"), ("[2001:db8::2:1]", "[2001:db8:0:0:0:0:2:1]:18444"),
    ("[1:2:3:4:5:6:7:8]:65535", "[1:2:3:4:5:6:7:8]:65535"), ("[::]:1", "[0:0:0:0:0:0:0:0]:1"),
    ("[1::]:1", "[1:0:0:0:0:0:0:0]:1"),
  ])
  func reads(_ text: String, _ expected: String) {
    #expect(PeerAddress(text: text, defaultPort: 18444)?.text == expected)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536",
    "1.2.3.4:080", "1.2.3.4 ", "[::1", "::1", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[::1::]",
    "[:1::2]", "[1:::2]", "[12345::]", "[g::]", "[1:2:3:4:5:6:7:8::]", "[1:]", "node.example:1",
  ])
  func refuses(_ text: String) {
    #expect(PeerAddress(text: text, defaultPort: 18444) == nil)
  }

  @Test func knowsWhatIsPublic() {
    let inside = [
      "127.0.0.1", "10.1.1.1", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "0.0.0.0",
      "224.0.0.1", "[::1]", "[fe80::1]", "[fc00::1]",
    ]
    for text in inside { #expect(PeerAddress(text: text, defaultPort: 1)?.isPublic == false) }
    for text in ["8.8.8.8", "172.15.0.1", "100.128.0.1", "[2001:db8::1]"] {
      #expect(PeerAddress(text: text, defaultPort: 1)?.isPublic == true)
    }
  }
}
