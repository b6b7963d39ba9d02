import Market
import Session

/// What a publisher entrusted to this machine goes with the job, before the receipt says that all is over.
/// What stays are the documents: contract, usage, receipt. The sandbox's part of this is
/// ``AgentEffect/destroySandbox(_:)``.
extension Job {
  /// The program, its arguments and its environment: the contract still has the offer's digest. False
  /// when they were erased before.
  func eraseProgram() -> Bool {
    offer?.eraseProgram()
    return record?.offer.eraseProgram() ?? false
  }

  /// What it printed; it may be asked for until the publisher has signed.
  func eraseOutput() {
    output = JobOutput()
    programs = []
  }
}

extension Offer {
  /// Leaves an offer that can still be read.
  @discardableResult
  fileprivate mutating func eraseProgram() -> Bool {
    if workdir == [0x2f] && environment.isEmpty && arguments == [[0x2d]] { return false }
    arguments = [[0x2d]]
    environment = []
    workdir = [0x2f]
    return true
  }
}
