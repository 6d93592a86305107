// Which rows of a table a write has removed already: a join may give a row twice, and it is changed once. Hot.
import Columns
import Diagnostics
import Planner
import Synchronization

/// A bit for each row of each file that was removed. Shared by the workers.
final class WritePlaces: Sendable {
    private let repeated: LogicalPlan.WriteNode.Place.Repeated
    private let account: MemoryAccount
    private let state = Mutex(State())

    private struct State {
        var numbers: [String: Int] = [:]
        var files: [Bits] = []

        /// The index of a file.
        mutating func number(of name: String) -> Int {
            if let known = numbers[name] { return known }
            let number = files.count
            numbers[name] = number
            files.append(Bits())
            return number
        }
    }

    /// The rows of one file, in pages, so that few rows of a long file cost little.
    private struct Bits {
        var pages: [Int64: [UInt64]] = [:]
    }

    /// Rows of a page.
    private static let pageRows: Int64 = 1 << 16
    private static let pageBytes: Int64 = pageRows / 8

    init(_ repeated: LogicalPlan.WriteNode.Place.Repeated, account: MemoryAccount) {
        self.repeated = repeated
        self.account = account
    }

    /// Keeps the rows whose places are new; 21000 for others where that is an error.
    func keepFirst(of rows: RowNumbers, _ files: Column, _ positions: Column) throws(SQLError) {
        let names = Flatten.flat(files)
        let views = names.pointer(StringView.self)
        let numbers = Flatten.flat(positions)
        let places = numbers.pointer(Int64.self)
        let result: Result<Void, SQLError> = state.withLock { state in
            do throws(SQLError) {
                var last: StringView?
                var file = 0
                try rows.keep { (row) throws(SQLError) -> Bool in
                    // Rows of a file come together, mostly.
                    if let last, StringView.equal(last, views[row]) {
                    } else {
                        file = state.number(of: views[row].string)
                        last = views[row]
                    }
                    if try insert(places[row], &state.files[file]) { return true }
                    guard repeated == .refused else { return false }
                    throw SQLError(
                        .cardinalityViolation, "MERGE command cannot affect row a second time",
                        hint: "Ensure that not more than one source row matches any one target row.")
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        // What flattening has made must outlive the pointers into it.
        withExtendedLifetime((names, numbers)) {}
        try result.get()
    }

    /// Whether the place is new.
    private func insert(_ position: Int64, _ bits: inout Bits) throws(SQLError) -> Bool {
        let (page, offset) = (position / WritePlaces.pageRows, Int(position % WritePlaces.pageRows))
        let word = offset >> 6
        let bit: UInt64 = 1 << UInt64(offset & 63)
        if bits.pages[page] == nil {
            try account.add(WritePlaces.pageBytes)
            bits.pages[page] = [UInt64](repeating: 0, count: Int(WritePlaces.pageRows) / 64)
        }
        guard let known = bits.pages[page]?[word], known & bit == 0 else { return false }
        bits.pages[page]?[word] |= bit
        return true
    }
}
