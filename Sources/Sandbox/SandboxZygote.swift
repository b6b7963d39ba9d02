import CHost

/// The process from which the first child of every sandbox is forked: the helper's program, executed once at
/// the first job. So no sandbox has the agent's memory, and none has to wait until a program is loaded. It
/// is told nothing of a job: what it forks gets the plan through a file in memory.
final class SandboxZygote {
  private let program: String
  private let folder: String
  private(set) var pid: Int32 = 0
  private var socket: Int32 = -1
  private var isPossible: Bool

  /// - Parameter folder: where sandboxes mount their roots.
  init(program: String, folder: String) {
    self.program = program
    self.folder = folder
    // Everything inside runs where no dynamic loader is.
    isPossible = StaticProgram.isStatic(program)
  }

  deinit { end() }

  /// Asks for a first child; ``answer()`` says which it is. False: there is no such program here, or the
  /// kernel cannot execute it (before Linux 3.19), and the agent has to fork.
  func ask(_ plan: UnsafePointer<host_plan>) throws(SandboxError) -> Bool {
    // A zygote that somebody killed is replaced once.
    for _ in 0..<2 where isPossible {
      if socket < 0 { try start() }
      if !isPossible { break }
      let code = host_sandbox_ask_zygote(socket, plan)
      if code == 0 { return true }
      end()
      if code != -32 && code != -104 { throw SandboxError.system("zygote", code: -code) }
    }
    if isPossible { throw SandboxError.system("zygote", code: 32) }
    return false
  }

  /// The pid of the first child that was asked for.
  func answer() throws(SandboxError) -> Int32 {
    let pid = host_sandbox_receive_zygote(socket)
    if pid > 0 { return pid }
    // A zygote that cannot fork now may be able to later.
    if pid != -11 && pid != -12 { end() }
    throw SandboxError.system("zygote", code: -pid)
  }

  private func start() throws(SandboxError) {
    let file = program.withCString { host_sandbox_open_program($0) }
    defer { if file >= 0 { _ = host_sandbox_close(file) } }
    var texts: [UInt8] = []
    for text in SandboxHelper.zygoteArguments(folder: folder) {
      texts.append(contentsOf: text.utf8)
      texts.append(0)
    }
    let started = file < 0 ? file : host_sandbox_start_zygote(file, texts, &socket)
    pid = max(0, started)
    if pid > 0 { return }
    // Not with this kernel, or only not now. ENOSYS.
    isPossible = started != -38
    if isPossible { throw SandboxError.system("zygote", code: -started) }
  }

  /// It ends when its socket does.
  private func end() {
    if socket >= 0 { _ = host_sandbox_close(socket) }
    socket = -1
    if pid > 0 {
      _ = host_sandbox_kill(pid, 9)
      try? Child.reap(pid)
    }
    pid = 0
  }
}
