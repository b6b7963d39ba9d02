import CSeccomp
import Foundation

@testable import Sandbox

private let unshare = unsafeBitCast(
  dlsym(nil, "unshare")!, to: (@convention(c) (Int32) -> Int32).self)
private let mount = unsafeBitCast(
  dlsym(nil, "mount")!,
  to: (@convention(c) (
    UnsafePointer<CChar>?, UnsafePointer<CChar>, UnsafePointer<CChar>?, UInt,
    UnsafePointer<CChar>?
  ) -> Int32).self)
private let umount2 = unsafeBitCast(
  dlsym(nil, "umount2")!, to: (@convention(c) (UnsafePointer<CChar>, Int32) -> Int32).self)
private let setdomainname = unsafeBitCast(
  dlsym(nil, "setdomainname")!, to: (@convention(c) (UnsafePointer<CChar>, Int) -> Int32).self)
private let keyctl = unsafeBitCast(
  dlsym(nil, "syscall")!,
  to: (@convention(c) (Int, Int, Int, Int, Int, Int) -> Int).self)

/// A place beside the machine for sandboxes that lack a wall: a thread with mounts, a host name, System V
/// objects and a network of its own. What a job or the walls themselves do there ends with it.
enum GuardedThread {
  static let machine = "owners-machine"

  /// Runs `body` there; root only.
  static func run<Result>(_ body: @escaping () throws -> Result) throws -> Result {
    nonisolated(unsafe) let body = body
    nonisolated(unsafe) var result: Swift.Result<Result, any Error>?
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      result = Swift.Result {
        try enter()
        return try body()
      }
      done.signal()
    }
    thread.stackSize = 8 << 20
    thread.start()
    done.wait()
    return try result!.get()
  }

  private static func enter() throws {
    let own = Namespace.mount | Namespace.uts | Namespace.ipc | Namespace.net
    // Shared within: what would show outside a sandbox shows here, and not on the machine.
    let recursive: UInt = 1 << 14
    let steps = [
      { unshare(Int32(own)) },
      { mount(nil, "/", nil, recursive | 1 << 18, nil) },
      { mount(nil, "/", nil, recursive | 1 << 20, nil) },
      { mount("guarded", "/tmp", "tmpfs", 0, "size=64m,mode=1777") },
      { sethostname(machine, machine.utf8.count) },
      { setdomainname("owners.home", 11) },
      { shmget(0x7a65_6e21, 4096, 0o1666) < 0 ? -1 : 0 },
      // A keyring of this thread's session, with a key of the agent's.
      { number("keyctl").map { keyctl($0, 1, 0, 0, 0, 0) } ?? 0 < 0 ? -1 : 0 },
      {
        "user".withCString { kind in
          "zennet-agent".withCString { name in
            keyctl(
              number("add_key")!, Int(bitPattern: kind), Int(bitPattern: name),
              Int(bitPattern: name), 3, -3) < 0 ? -1 : 0
          }
        }
      },
    ]
    for (index, step) in steps.enumerated() where step() != 0 {
      throw Problem(text: "guarded thread, step \(index): errno \(errno)")
    }
    before = mounts()
  }

  /// What was done to the machine, if this thread is all that there is of it; undone again.
  static func mended() -> Set<String> {
    var told: Set<String> = []
    var name = [CChar](repeating: 0, count: 65)
    gethostname(&name, name.count - 1)
    if String(cString: name) != machine {
      told.insert("outside-name")
      sethostname(machine, machine.utf8.count)
      setdomainname("owners.home", 11)
    }
    for _ in 0..<20 where mounts().count > before.count {
      told.insert("outside-mounts")
      umount2("/tmp", 2)
    }
    return told
  }

  nonisolated(unsafe) private static var before: [Substring] = []

  private static func mounts() -> [Substring] {
    let text = (try? String(contentsOfFile: "/proc/thread-self/mountinfo", encoding: .utf8)) ?? ""
    return text.split(separator: "\n")
  }

  private static func number(_ call: String) -> Int? {
    Int(seccomp_syscall_resolve_name(call))
  }

  struct Problem: Error { let text: String }
}
