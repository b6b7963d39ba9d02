import Foundation

/// The limit of open files and connections.
enum OpenFiles {
  /// Raises the limit for runs with many workers, as far as the system allows. Linux's default of
  /// 1024 exists for select(2), which is not used here.
  static func allow(_ count: Int) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    if limit.rlim_cur >= rlim_t(count) { return }
    limit.rlim_cur = min(rlim_t(count), limit.rlim_max)
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
