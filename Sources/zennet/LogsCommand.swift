import ArgumentParser
import Foundation
import Host
import Publisher

/// `zennet logs JOB`: what a job printed.
struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Show what a job printed, also after its end.",
    discussion: """
      Standard output goes to standard output, standard error to standard error. On a terminal, \
      control characters become question marks. The last 4 to 8 MiB of each worker are kept.
      """)

  @OptionGroup var target: JobPlace

  @Flag(name: .shortAndLong, help: "Go on while the run does.")
  var follow = false

  @Flag(name: .shortAndLong, help: "Before each piece: when it came, in seconds since 1970.")
  var timestamps = false

  func run() throws {
    let job = try target.find()
    let workers = job.worker.map { [$0] } ?? LogsCommand.workers(job)
    var printer = OutputPrinter(namesWorkers: workers.count > 1) { descriptor, bytes in
      // Who reads no more does not wait for the run's end either.
      if descriptor == 1 { Output.bytes(bytes) } else { HostProcess.write(descriptor, bytes) }
      return nil
    }
    var readers = workers.map { ($0, JobLog.Reader(job.folder, worker: $0)) }
    while true {
      // Asked before the last look, so that nothing is missed between the two.
      let goesOn = follow && isLive(job)
      for index in readers.indices {
        while let record = readers[index].1.next() { show(record, readers[index].0, &printer) }
      }
      if !goesOn { break }
      Thread.sleep(forTimeInterval: 0.2)
    }
    printer.finish()
  }

  private func show(_ record: JobLog.Record, _ worker: UInt16, _ printer: inout OutputPrinter) {
    if timestamps {
      let ms = record.unixMs % 1000
      let stamp = "\(record.unixMs / 1000)." + String(repeating: "0", count: 3 - "\(ms)".count)
      printer.print(
        worker: worker, isError: record.isError, Array((stamp + "\(ms) ").utf8))
    }
    printer.print(worker: worker, isError: record.isError, record.bytes)
  }

  /// Of all workers that printed anything; while the run goes on, of all that it wants.
  private static func workers(_ job: LiveJob) -> [UInt16] {
    if let status = try? ControlClient.status(job.folder) {
      return (0..<status.wanted).map { UInt16($0) }
    }
    return (0...UInt16.max).prefix(4096).filter { JobLog.Reader.exists(job.folder, worker: $0) }
  }

  private func isLive(_ job: LiveJob) -> Bool {
    guard let status = try? ControlClient.status(job.folder) else { return false }
    let watched = status.workers(of: job.worker)
    if watched.count < (job.worker == nil ? status.wanted : 1) { return true }
    return !watched.allSatisfy { ["receipted", "closed"].contains($0.state) }
  }
}
