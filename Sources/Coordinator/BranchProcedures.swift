// CALL apus.merge_branch('dev', 'main') and its kin, also written as SELECT: statements about branches for tools that
// take only statements they know. Each becomes the statement of the same meaning.
import Columns
import Diagnostics
import Functions
import Planner
import Syntax

/// The procedures in the schema apus.
enum BranchProcedures {
    /// What a procedure gives besides its effect.
    enum Answer { case tag, merge, rows }

    struct Procedure: Sendable {
        var required: Int
        var arguments: [String]
        var answer: Answer
        /// The statement's text; the arguments are there as far as they were given.
        var text: @Sendable ([String?]) throws(SQLError) -> String
    }

    static func quoted(_ name: String?) -> String {
        "\"" + (name ?? "").replacing("\"", with: "\"\"") + "\""
    }

    private static func relation(_ name: String?) -> String {
        (name ?? "").split(separator: ".", omittingEmptySubsequences: false).map { quoted(String($0)) }
            .joined(separator: ".")
    }

    static let all: [String: Procedure] = [
        "create_branch": Procedure(required: 1, arguments: ["name", "source"], answer: .tag) {
            "CREATE BRANCH \(quoted($0[0]))" + ($0[1].map { " FROM \(quoted($0))" } ?? "")
        },
        "create_tag": Procedure(required: 1, arguments: ["name", "source"], answer: .tag) {
            "CREATE TAG \(quoted($0[0]))" + ($0[1].map { " FROM \(quoted($0))" } ?? "")
        },
        "drop_branch": Procedure(required: 1, arguments: ["name"], answer: .tag) { "DROP BRANCH \(quoted($0[0]))" },
        "drop_tag": Procedure(required: 1, arguments: ["name"], answer: .tag) { "DROP TAG \(quoted($0[0]))" },
        "rename_branch": Procedure(required: 2, arguments: ["name", "new_name"], answer: .tag) {
            "ALTER BRANCH \(quoted($0[0])) RENAME TO \(quoted($0[1]))"
        },
        "assign_branch": Procedure(required: 2, arguments: ["name", "target"], answer: .tag) {
            "ALTER BRANCH \(quoted($0[0])) ASSIGN TO \(quoted($0[1]))"
        },
        "protect_branch": Procedure(required: 1, arguments: ["name", "protected"], answer: .tag) {
            "ALTER BRANCH \(quoted($0[0])) SET (protected = \(["f", "false", "off", "0"].contains($0[1] ?? "t") ? "false" : "true"))"
        },
        "merge_branch": Procedure(
            required: 1, arguments: ["source", "target", "dry_run", "on_conflict", "message"], answer: .merge,
            text: merge),
        "revert": Procedure(required: 1, arguments: ["commit", "branch"], answer: .merge) {
            "REVERT COMMIT \(quoted($0[0]))" + ($0[1].map { " ON BRANCH \(quoted($0))" } ?? "")
        },
        "cherry_pick": Procedure(required: 1, arguments: ["commit", "branch"], answer: .merge) {
            "CHERRY PICK COMMIT \(quoted($0[0]))" + ($0[1].map { " INTO \(quoted($0))" } ?? "")
        },
        "restore_table": Procedure(required: 2, arguments: ["name", "version"], answer: .tag) {
            "RESTORE TABLE \(relation($0[0])) AT VERSION \(quoted($0[1]))"
        },
        "diff_rows": Procedure(required: 3, arguments: ["source", "target", "name"], answer: .rows) {
            "SHOW DIFF \(quoted($0[0])) TO \(quoted($0[1])) FOR TABLE \(relation($0[2]))"
        },
    ]

    private static func merge(_ arguments: [String?]) throws(SQLError) -> String {
        var text = "MERGE BRANCH \(quoted(arguments[0]))"
        if let target = arguments[1] { text += " INTO \(quoted(target))" }
        if ["t", "true", "on", "1"].contains(arguments[2] ?? "f") { text += " DRY RUN" }
        switch arguments[3]?.lowercased() {
        case nil, "cancel": break
        case "take_source", "take source": text += " ON CONFLICT TAKE SOURCE"
        case "take_target", "take target": text += " ON CONFLICT TAKE TARGET"
        case .some(let choice):
            throw SQLError(
                .invalidParameterValue, "unknown choice \"\(choice)\"",
                hint: "Choices are cancel, take_source and take_target.")
        }
        if let message = arguments[4] { text += " MESSAGE '\(message.replacing("'", with: "''"))'" }
        return text
    }

    // MARK: - Recognizing

    /// SELECT apus.procedure(...) and SELECT * FROM apus.procedure(...) are calls.
    static func recognized(_ parsed: ParsedStatement) -> ParsedStatement {
        guard case .query(let query) = parsed.statement, query.with.isEmpty, query.order.isEmpty,
            case .select(let select) = query.body, select.items.count == 1, select.filter == nil
        else { return parsed }
        var found: FunctionCall?
        if select.from.isEmpty, case .call(let call) = select.items[0].value.node {
            found = call
        } else if select.from.count == 1, case .star = select.items[0].value.node,
            case .functions(let calls, _, _, _) = select.from[0].node, calls.count == 1
        {
            found = calls[0]
        }
        guard let found, procedure(found) != nil else { return parsed }
        var changed = parsed
        changed.statement = .call(found, isSelected: true)
        return changed
    }

    private static func procedure(_ call: FunctionCall) -> Procedure? {
        guard call.name.parts.count == 2, call.name.parts[0].value == QueryNames.lakeSchema else { return nil }
        return all[call.name.last]
    }

    static func find(_ call: FunctionCall) throws(SQLError) -> Procedure {
        guard let found = procedure(call) else {
            throw SQLError(
                .undefinedFunction, "procedure \(call.name.text) does not exist",
                hint:
                    "Procedures are in the schema \(QueryNames.lakeSchema): \(all.keys.sorted().joined(separator: ", ")).",
                position: call.name.position)
        }
        return found
    }

    /// The number of parameters in a call's arguments.
    static func parameters(of call: FunctionCall) -> Int {
        call.arguments.reduce(0) { most, argument in
            if case .parameter(let number) = argument.value.node { return max(most, number) }
            return most
        }
    }

    /// For Describe; nil: no rows.
    static func columns(of call: FunctionCall, isSelected: Bool) throws(SQLError) -> [ResultColumn]? {
        switch try find(call).answer {
        case .merge: return Session.mergeColumns
        case .tag: return isSelected ? [ResultColumn(call.name.last, .text)] : nil
        case .rows:
            throw SQLError(
                .featureNotSupported, "\(call.name.text) works in the simple query protocol only",
                hint: "Use SHOW DIFF ... FOR TABLE.", position: call.name.position)
        }
    }
}

extension Session {
    func call(
        _ call: FunctionCall, _ parameters: [Scalar], isSelected: Bool
    ) async throws(SQLError) -> any ResultStream {
        let procedure = try BranchProcedures.find(call)
        let values = try arguments(of: call, procedure, parameters)
        let text = try procedure.text(values)
        guard let statement = try Parser.parse(text).first?.statement else {
            throw SQLError(.internalError, "a procedure without a statement")
        }
        do throws(SQLError) {
            let stream = try await run(statement, text: text, position: 0)
            guard procedure.answer == .tag else { return stream }
            _ = try await stream.finish()
        } catch {
            // Positions would be those of the statement that was made.
            throw error.at(call.name.position)
        }
        guard isSelected else { return done("CALL") }
        return FixedStream(
            [ResultColumn(call.name.last, .text)], [[.text(values[0] ?? "")]], tag: .rows("SELECT"))
    }

    private func arguments(
        of call: FunctionCall, _ procedure: BranchProcedures.Procedure, _ parameters: [Scalar]
    ) throws(SQLError) -> [String?] {
        var values = [String?](repeating: nil, count: procedure.arguments.count)
        for (index, argument) in call.arguments.enumerated() {
            let place = argument.name.map { name in procedure.arguments.firstIndex { $0 == name.value } } ?? index
            guard let place, place < values.count else {
                throw SQLError(
                    .undefinedFunction, "\(call.name.text) has no such argument",
                    hint: "Its arguments are \(procedure.arguments.joined(separator: ", ")).",
                    position: argument.name?.position ?? argument.value.position)
            }
            let value: Scalar
            if case .parameter(let number) = argument.value.node, number >= 1, number <= parameters.count {
                value = parameters[number - 1]
            } else {
                value = try Binder.value(
                    of: Expression(
                        .cast(argument.value, TypeName("text", position: argument.value.position), isTry: false),
                        position: argument.value.position), as: .text, context: planContext())
            }
            if case .string(let text) = value.value { values[place] = text }
        }
        guard !values.prefix(procedure.required).contains(where: { $0 == nil }) else {
            throw SQLError(
                .undefinedFunction,
                "\(call.name.text) needs \(procedure.arguments.prefix(procedure.required).joined(separator: ", "))",
                position: call.name.position)
        }
        return values
    }
}
