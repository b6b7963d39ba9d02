import Bytes
import Host

/// A client of a run's control socket.
public enum ControlClient {
  /// Sends a request and waits for the answer; nil on timeout.
  private static func answer(
    _ runFolder: String, _ request: ControlRequest, waitMs: UInt64
  ) throws(RunError) -> [UInt8]? {
    let reactor = Reactor()
    let id = reactor.connect(to: .unix(path: ControlServer.path(runFolder)))
    reactor.send(id, ControlFrame.request(ControlJson.encode(request)).encode())
    var frames = ControlFrames()
    let deadline = Clock.monotonicMs() + waitMs
    while true {
      let event: ReactorEvent?
      do throws(HostError) { event = try reactor.next(untilMs: deadline) } catch {
        throw .host(error)
      }
      switch event {
      case .received(_, let bytes):
        frames.append(bytes)
        switch frames.next() {
        case .answer(let json): return json
        case .failed(let text): throw .usage(String(decoding: text, as: UTF8.self))
        case nil: break
        default: throw .usage("the run sent an invalid answer")
        }
      case .closed: throw .usage("no program is working on the run; `zennet resume` continues it")
      case nil: return nil
      default: break
      }
    }
  }

  private static func ask(
    _ runFolder: String, _ request: ControlRequest
  ) throws(RunError) -> [UInt8] {
    guard let json = try answer(runFolder, request, waitMs: 10_000) else {
      throw .usage("the run does not answer")
    }
    return json
  }

  public static func status(_ runFolder: String) throws(RunError) -> RunStatus {
    let json = try ask(runFolder, ControlRequest(.status))
    guard let status = ControlJson.decode(RunStatus.self, json) else {
      throw .usage("the run sent an invalid answer")
    }
    return status
  }

  /// Stops a task, a worker's tasks, or all tasks. Returns once the stop is requested, or, with
  /// `waits`, once the providers have reported the ends, for at most one minute.
  public static func stop(_ job: LiveJob, waits: Bool) throws(RunError) -> [StoppedTask] {
    var request = ControlRequest(.stop, job: job)
    request.wait = waits
    guard let json = try answer(job.folder, request, waitMs: waits ? 60_000 : 10_000) else {
      throw .usage(
        waits ? "the provider has not reported the task's end yet" : "the run does not answer")
    }
    guard let stopped = ControlJson.decode([StoppedTask].self, json) else {
      throw .usage("the run sent an invalid answer")
    }
    return stopped
  }
}
