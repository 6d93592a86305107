// A lake of 92 days behind moto and a proxy that writes down what the engine asks for.
import Coordinator
import Foundation
import S3Support
import Storage
import Support
import Testing

/// One engine of its own on a shared lake.
struct Shop {
    static let bucket = "landing"
    static let orders = "raw/shop/orders"
    /// Rows of each day.
    static let rowsPerDay = 60
    static let days: [(year: Int, month: Int, day: Int)] =
        (1...30).map { (2025, 11, $0) } + (1...31).map { (2025, 12, $0) } + (1...31).map { (2026, 1, $0) }

    let proxy: S3Proxy
    let lake: TestLake
    let session: Session

    init(settings: [(name: String, value: String)] = [], bucket: String = Shop.bucket) async throws {
        let moto = try #require(MotoServer.shared)
        try await Upload.shared.done(moto)
        let proxy = try #require(S3Proxy(to: moto.port))
        self.proxy = proxy
        let configuration = S3Configuration(
            endpoint: proxy.endpoint, accessKey: "key", secretKey: "secret", retriesMax: 6)
        lake = try await TestLake(store: Stores(s3: configuration))
        session = try await lake.session(settings: settings)
    }

    func makeTable(_ columns: String = "") async throws {
        _ = try await session.rows(
            // One file tells the columns: the others stay unread, and so unknown to caches.
            """
            CREATE EXTERNAL TABLE orders \(columns) STORED AS PARQUET LOCATION 's3://\(Shop.bucket)/\(Shop.orders)/'
            OPTIONS (union_by_name = 'false')
            """)
        proxy.forget()
    }

    static func folder(_ day: (year: Int, month: Int, day: Int)) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(orders)/year=\(day.year)/month=\(two(day.month))/day=\(two(day.day))/"
    }

    /// The prefixes listed, in any order, and the files read.
    var listed: [String] { proxy.requests.compactMap(\.prefix).sorted() }
    var opened: [String] { proxy.requests.filter { $0.prefix == nil }.map(\.path).sorted() }
}

/// Fills the bucket once a process.
private actor Upload {
    static let shared = Upload()
    private var work: Task<Void, any Error>?

    func done(_ moto: MotoServer) async throws {
        if work == nil { work = Task { try await Upload.fill(moto) } }
        try await work?.value
    }

    private static func fill(_ moto: MotoServer) async throws {
        moto.makeBucket(Shop.bucket)
        let store = S3Store(S3Configuration(endpoint: moto.endpoint, accessKey: "key", secretKey: "secret"))
        let source = TestLake.root + "/Fixtures/lake/shop/orders/year=2026/month=01/day=07/part-0.parquet"
        let bytes = Bytes(Array(try Data(contentsOf: URL(fileURLWithPath: source))))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for day in Shop.days {
                let folder = Shop.folder(day)
                group.addTask {
                    try await store.write([bytes], to: try ObjectPath("s3://\(Shop.bucket)/\(folder)part-0.parquet"))
                    try await store.write([], to: try ObjectPath("s3://\(Shop.bucket)/\(folder)_SUCCESS"))
                }
            }
            try await group.waitForAll()
        }
    }
}
