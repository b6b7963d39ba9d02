enum RunCommand { static func main(_ arguments: inout Arguments) {} }
enum BenchCommand { static func main(_ arguments: inout Arguments) {} }
enum ReportCommand { static func main(_ arguments: inout Arguments) {} }
enum StatusCommand { static func main(_ arguments: inout Arguments) {} }
enum CheckCommand { static func main(_ arguments: inout Arguments) {} }
