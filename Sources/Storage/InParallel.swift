// Requests side by side, a bounded number of them.
public import Diagnostics

/// Does something with each item, some at a time; the results are in the items' order.
public func inParallel<Item: Sendable, Made: Sendable>(
    _ items: [Item], atOnce: Int, _ body: @escaping @Sendable (Item) async throws(SQLError) -> Made
) async throws(SQLError) -> [Made] {
    typealias Step = (index: Int, result: Result<Made, SQLError>)
    let outcome = await withTaskGroup(of: Step.self) { group -> Result<[Made?], SQLError> in
        var made: [Made?] = Array(repeating: nil, count: items.count)
        var next = 0
        func start() {
            guard next < items.count else { return }
            let index = next
            let item = items[index]
            next += 1
            group.addTask {
                do throws(SQLError) { return (index, .success(try await body(item))) } catch {
                    return (index, .failure(error))
                }
            }
        }
        for _ in 0..<atOnce { start() }
        while let step = await group.next() {
            switch step.result {
            case .success(let value): made[step.index] = value
            case .failure(let error):
                group.cancelAll()
                return .failure(error)
            }
            start()
        }
        return .success(made)
    }
    return try outcome.get().compactMap { $0 }
}
