import Agent

extension FuzzTarget {
  /// The status socket: what is asked, in pieces, and what is answered while a hostile publisher
  /// talks to the agent.
  static let status = FuzzTarget(
    name: "status",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      try ask(input.piece())
      let world = FuzzedAgent()
      try world.drain()
      try world.checkStatus()
      var steps = 0
      while !input.isAtEnd && steps < 100 {
        steps += 1
        try world.step(&input)
        try world.drain()
        try world.checkStatus()
      }
    },
    seeds: {
      ["json\n", "metrics\n", "text\n", "\n", "json", String(repeating: "j", count: 65)].flatMap {
        question in
        agent.seeds().prefix(6).map { steps in
          var seed = SeedWriter()
          seed.piece(Array(question.utf8))
          return seed.bytes + steps
        }
      }
    })

  private static func ask(_ question: [UInt8]) throws(FuzzFinding) {
    var last = StatusRequest.incomplete
    for count in 0...question.count {
      let now = StatusRequest.read(Array(question.prefix(count)))
      if count > StatusRequest.maxBytes {
        try require(now == .tooLong, "what never ends is hung up on")
      } else {
        try require(last == .incomplete || now == last, "a line that has come means one thing")
        let hasEnded = question.prefix(count).contains(0x0a)
        try require((now != .incomplete) == hasEnded, "a line is answered when it ends")
        last = now
      }
    }
  }
}
