// Rows of one CSV or JSON file: records are found, their texts become values, the filter is applied.

import Catalogs
import Columns
import Diagnostics
import Formats
import Functions
import Storage

/// One owner thread.
final class TextSource: BatchSource {
    private enum Reader {
        case csv(CSVReader)
        /// A part whose bytes are on their way.
        case csvPart(CSVPart)
        case json(JSONLineReader)
    }

    private let task: TextTask
    private let context: ScanContext
    private let asked = StoreMetrics()
    private var counted = RequestCounters()
    private var reader: Reader?
    private var left: Int
    /// CSV: where the columns of the scan are in a record; nil: the file lacks it.
    private var places: [Int?] = []
    private var width = 0

    private var scan: TextScan { task.scan }
    private var table: TextTable { task.scan.table }
    private var options: TextOptions { task.scan.table.options }

    init(_ task: TextTask, _ context: ScanContext) throws(SQLError) {
        self.task = task
        self.context = context
        left = context.filter == nil ? task.scan.request.limit ?? Int.max : Int.max
        if case .part(let cuts, let number, _) = task.extent {
            reader = .csvPart(
                CSVPart(
                    cuts, number, of: task.file.info, in: task.scan.table.format.stores, metrics: asked,
                    stop: context.stop))
        } else if task.scan.table.options.kind == .csv {
            // The first bytes are on their way when this returns.
            let input = try TextInput(
                task.file.info, in: task.scan.table.format.stores, packing: task.packing, metrics: asked,
                stop: context.stop)
            reader = .csv(try CSVReader(input, task.scan.table.shape.dialect))
        }
    }

    func next() throws(SQLError) -> Batch? {
        guard left > 0 else { return nil }
        defer { count() }
        guard let found = try read() else { return nil }
        if let stop = context.stop, stop.isStopped {
            throw SQLError(.queryCanceled, "canceling statement due to user request")
        }
        var batch = Batch(
            scan.request.columns.map { index in
                if let place = scan.wanted.firstIndex(of: index) { return found.columns[place] }
                let field = table.columns.columns[index].field
                let value = table.columns.known(index, of: task.file) ?? .null(field.type)
                return Column.constant(value.isNull ? .null(field.type) : value, count: found.rows)
            }, rows: found.rows)
        if let filter = context.filter {
            for stage in filter.stages.indices where batch.rows > 0 {
                if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                    batch = batch.take(selection.rows, count: selection.count)
                }
            }
        }
        left -= batch.rows
        return batch
    }

    private func count() {
        let now = asked.counters
        let (requests, bytes) = (now.requests - counted.requests, now.bytesRead - counted.bytesRead)
        if requests > 0 { context.metrics.add(.requests, requests) }
        if bytes > 0 { context.metrics.add(.bytesRead, bytes) }
        counted = now
    }

    /// The next records: the columns of `scan.wanted`.
    private func read() throws(SQLError) -> Batch? {
        switch reader {
        case .csvPart(let part):
            guard let made = try part.reader(table.shape.dialect) else { return nil }
            reader = .csv(made)
            return try records(made)
        case .csv(let reader): return try records(reader)
        case .json, nil: break
        }
        if reader == nil { reader = .json(try begin()) }
        guard case .json(let reader) = reader else { return nil }
        return try values(reader)
    }

    // MARK: - CSV

    private func records(_ reader: CSVReader) throws(SQLError) -> Batch? {
        if width == 0 { try begin(reader) }
        let found = places.compactMap { $0 }
        guard width > 0, let records = try reader.next(found, width: width) else { return nil }
        var columns: [Column] = []
        var failed = Set<Int>()
        var next = 0
        for (index, place) in places.enumerated() {
            let type = table.columns.columns[scan.wanted[index]].field.type
            guard place != nil else {
                columns.append(Column.constant(.null(type), count: records.rows))
                continue
            }
            let texts = records.columns[next]
            next += 1
            do throws(SQLError) {
                let made = try scan.readers[index](texts, records.rows)
                if options.ignoresErrors, type != .text {
                    for row in 0..<records.rows where texts.isValid(row) && !made.isValid(row) { failed.insert(row) }
                }
                columns.append(made)
            } catch {
                throw located(error, records, texts, index)
            }
        }
        let batch = Batch(columns, rows: records.rows)
        guard !failed.isEmpty else { return batch }
        let kept = (0..<records.rows).filter { !failed.contains($0) }
        let rows = Buffer(count: max(1, kept.count), of: Int32.self)
        for (place, row) in kept.enumerated() { rows.pointer(Int32.self)[place] = Int32(truncatingIfNeeded: row) }
        return batch.take(UnsafePointer(rows.pointer(Int32.self)), count: kept.count)
    }

    /// Reads the header, and finds the columns in it.
    private func begin(_ reader: CSVReader) throws(SQLError) {
        let shape = table.shape
        // Values by place are those of all columns that files have.
        let data = table.shape.fields
        width = data.count
        var header: [String?] = []
        if shape.hasHeader {
            guard let found = try head(reader) else {
                width = 0
                return
            }
            header = found
            width = header.count
        }
        for index in scan.wanted {
            let name = table.columns.columns[index].field.name
            guard shape.isByName else {
                let place = data.position(of: name)
                places.append(place.map { $0 < width ? $0 : nil } ?? nil)
                continue
            }
            let lower = name.lowercased()
            let place = header.firstIndex { $0 == name } ?? header.firstIndex { $0?.lowercased() == lower }
            if place == nil, !table.isDeclared, options.files.unionByName != true {
                let other = table.columns.sample.map { " but in \"\($0)\"" } ?? ""
                throw SQLError(
                    .undefinedColumn, "column \"\(name)\" is not in \"\(task.file.info.path)\"\(other)",
                    hint: "Read with union_by_name => true to get NULL where a file lacks a column.")
            }
            places.append(place)
        }
    }

    /// The file's header; the reader stands behind it where the file begins here.
    private func head(_ reader: CSVReader) throws(SQLError) -> [String?]? {
        guard case .part(_, let number, let header) = task.extent, number > 0 else { return try reader.texts(1).first }
        return try header.names { () throws(SQLError) in
            let input = try TextInput(
                task.file.info, in: table.format.stores, packing: .none,
                range: 0..<min(task.file.info.sizeBytes, Int64(TextInput.pieceBytes)), metrics: asked,
                stop: context.stop)
            return try CSVReader(input, table.shape.dialect).texts(1).first
        }
    }

    /// The error of a batch with the record that made it.
    private func located(_ error: SQLError, _ records: CSVRecords, _ texts: Column, _ index: Int) -> SQLError {
        let field = table.columns.columns[scan.wanted[index]].field
        for row in 0..<records.rows where texts.isValid(row) {
            do throws(SQLError) {
                _ = try scan.readers[index](Column.constant(texts.scalar(row), count: 1), 1)
            } catch let found {
                return placed(found, records.lines[row], field.name)
            }
        }
        return placed(error, records.lines.first ?? 0, field.name)
    }

    private func placed(_ error: SQLError, _ line: Int, _ column: String?) -> SQLError {
        let place = column.map { ", column \"\($0)\"" } ?? ""
        let hint =
            options.kind == .csv
            ? "Give the column another type (types), tell what is NULL (nullstr), look at more records (sample_size), or "
                + "leave such records out (ignore_errors)."
            : "Give the columns types (columns), look at more values (sample_size), or read what does not fit as NULL "
                + "(ignore_errors)."
        return SQLError(
            error.state, "line \(line) of \"\(task.file.info.path)\"\(place): \(error.message)", detail: error.detail,
            hint: hint)
    }

    // MARK: - JSON

    private func begin() throws(SQLError) -> JSONLineReader {
        let stores = table.format.stores
        let layout: JSONLayout
        switch options.layout {
        case .given(let given): layout = given
        case .found: layout = try JSONLineReader.layout(of: task.file.info, in: stores, packing: task.packing)
        }
        return try JSONLineReader(
            task.file.info, in: stores, packing: task.packing, layout: layout, skipsWrong: options.ignoresErrors,
            range: task.extent.range, metrics: asked, stop: context.stop)
    }

    private func values(_ reader: JSONLineReader) throws(SQLError) -> Batch? {
        guard let records = try reader.next() else { return nil }
        guard let objects = scan.objects else { return Batch([], rows: records.rows) }
        let made: Column
        do throws(SQLError) {
            made = try objects(records.column, records.rows)
        } catch {
            for row in 0..<records.rows where records.column.isValid(row) {
                do throws(SQLError) {
                    _ = try objects(Column.constant(records.column.scalar(row), count: 1), 1)
                } catch let found {
                    throw placed(found, records.lines[row], nil)
                }
            }
            throw placed(error, records.lines.first ?? 0, nil)
        }
        return Batch(table.shape.hasRecords ? made.fields : [made], rows: records.rows)
    }
}
