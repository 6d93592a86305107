// Calls of kernels: NULL and constant shortcuts, and work done once per dictionary instead of once per row.
import Columns
import Diagnostics
import Functions

/// A function call.
final class CallEvaluator: Evaluator {
    private let function: BoundFunction
    private let arguments: [any Evaluator]
    private let context: FunctionContext
    /// Equal inputs give equal results within the statement.
    private let isFixed: Bool
    private var cache: DictionaryCache?
    /// The result of a call whose arguments are all constant: they never change within a statement.
    private var folded: Column?
    private let isConstant: Bool

    init(_ function: BoundFunction, _ arguments: [any Evaluator], _ context: FunctionContext, isFixed: Bool) {
        self.function = function
        self.arguments = arguments
        self.context = context
        self.isFixed = isFixed
        isConstant =
            isFixed
            && arguments.allSatisfy {
                ($0 as? ConstantEvaluator) != nil || ($0 as? CallEvaluator)?.isConstant == true
            }
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Column {
        let rows = batch.rows
        if let folded { return Column.constant(folded, count: rows) }
        guard rows > 0 else { return Column(function.resultType, count: 0, values: Buffer(bytes: 0)) }
        var columns: [Column] = []
        columns.reserveCapacity(arguments.count)
        var constants = 0
        var dictionaryAt: Int?
        var dictionaries = 0
        for (index, argument) in arguments.enumerated() {
            let column = try argument.evaluate(batch)
            switch column.layout {
            case .constant:
                if function.isStrict, column.isNullConstant {
                    return Column.constant(.null(function.resultType), count: rows)
                }
                constants += 1
            case .dictionary:
                dictionaryAt = index
                dictionaries += 1
            case .flat: break
            }
            columns.append(column)
        }
        if isFixed, constants == columns.count {
            let one = try function.kernel(context, columns.map { Column.constant($0, count: 1) }, 1)
            let result = Column.constant(one.flat(), count: rows)
            if isConstant { folded = result }
            return result
        }
        if isFixed, function.isStrict, dictionaries == 1, constants == columns.count - 1, let dictionaryAt {
            if let result = try throughDictionary(columns, at: dictionaryAt, rows) { return result }
        }
        return try function.kernel(context, columns, rows)
    }

    /// Evaluates over the dictionary's entries; nil when that does not pay or fails there.
    private func throughDictionary(_ columns: [Column], at index: Int, _ rows: Int) throws(SQLError) -> Column? {
        let column = columns[index]
        guard let dictionary = column.dictionary, dictionary.count > 0 else { return nil }
        if cache?.dictionary !== dictionary { cache = DictionaryCache(dictionary) }
        guard let cache else { return nil }
        if cache.result == nil {
            guard cache.isWorth(rows) else { return nil }
            var arguments = columns
            for position in arguments.indices where position != index {
                arguments[position] = Column.constant(columns[position], count: dictionary.count)
            }
            arguments[index] = dictionary
            do throws(SQLError) {
                let result = try function.kernel(context, arguments, dictionary.count)
                cache.result = result.layout == .dictionary ? result.flat() : result
            } catch {
                // An entry that no row uses may be what fails: the rows decide.
                cache.hasFailed = true
                return nil
            }
        }
        return cache.result.map { column.mapped(through: $0, rows) }
    }
}

/// What was computed for the entries of one dictionary.
final class DictionaryCache {
    let dictionary: Column
    var result: Column?
    var hasFailed = false
    private var rowsSeen = 0

    init(_ dictionary: Column) { self.dictionary = dictionary }

    /// Whether enough rows have used the dictionary to evaluate all its entries.
    func isWorth(_ rows: Int) -> Bool {
        rowsSeen += rows
        return !hasFailed && rowsSeen * 2 >= dictionary.count
    }
}

extension Column {
    /// For a dictionary column: the column that has `results[code]` for each code.
    func mapped(through results: Column, _ rows: Int) -> Column {
        if results.layout == .constant {
            guard results.isValid(0), validity != nil else { return Column.constant(results, count: rows) }
        } else if results.validity == nil, results.physical == .view, results.layout == .flat {
            return Column(codes: values, count: rows, validity: validity, dictionary: results)
        }
        guard let validity else { return results.gather(codes, count: rows) }
        // Codes of NULL rows mean nothing: they read entry 0.
        let safe = Buffer(count: max(1, rows), of: Int32.self)
        let (from, to, bits) = (codes, safe.pointer(Int32.self), validity.pointer(UInt64.self))
        for row in 0..<rows { to[row] = Bitmap.get(bits, row) ? from[row] : 0 }
        let flat = results.gather(UnsafePointer(to), count: rows).flat()
        return Column(
            flat.type, count: rows, values: flat.values, validity: Bitmap.and(flat.validity, validity, rows),
            heaps: flat.heaps, child: flat.child, fields: flat.fields)
    }
}
