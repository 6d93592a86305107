// The syntax tree of statements about branches, tags and commits, besides CREATE and DROP.

/// MERGE BRANCH, ALTER BRANCH, REVERT, CHERRY PICK, RESTORE, SHOW DIFF.
public enum BranchStatement: Hashable, Sendable {
    case merge(Merge)
    case alter(kind: Statement.RefKind, name: Identifier, Alteration)
    /// REVERT COMMIT c [ON BRANCH b]: undoes what one commit did.
    case revert(commit: Identifier, branch: Identifier?)
    /// CHERRY PICK COMMIT c [INTO b]: does again what one commit did.
    case cherryPick(commit: Identifier, branch: Identifier?)
    /// RESTORE TABLE t AT ...: puts a table or view back as it was, also a dropped one.
    case restore(QualifiedName, Version)
    /// SHOW DIFF a TO b: what changed, by schema and table.
    case difference(from: Identifier, to: Identifier)
    /// SHOW DIFF a TO b FOR TABLE t: rows that only one side has.
    case rowDifference(from: Identifier, to: Identifier, table: QualifiedName)

    /// What becomes of a table that both sides changed and that cannot be merged.
    public enum Choice: Hashable, Sendable { case cancel, takeSource, takeTarget }

    public struct Merge: Hashable, Sendable {
        public var source: Identifier
        /// nil: the session's branch.
        public var target: Identifier?
        public var isDryRun: Bool
        public var choice: Choice
        /// Tables with a choice of their own.
        public var exceptions: [Exception]
        public var message: String?

        public struct Exception: Hashable, Sendable {
            public var choice: Choice
            public var table: QualifiedName
            public init(choice: Choice, table: QualifiedName) {
                self.choice = choice
                self.table = table
            }
        }

        public init(
            source: Identifier, target: Identifier?, isDryRun: Bool, choice: Choice, exceptions: [Exception],
            message: String?
        ) {
            self.source = source
            self.target = target
            self.isDryRun = isDryRun
            self.choice = choice
            self.exceptions = exceptions
            self.message = message
        }
    }

    public enum Alteration: Hashable, Sendable {
        case rename(Identifier)
        case assign(Identifier, Version?)
        case set(RefOptionList)
        /// A query that must return no rows in what a merge would make of the branch; with its text.
        case addCheck(Identifier, Query, text: String)
        case dropCheck(Identifier, ifExists: Bool)
    }
}

/// `(protected = true, retain = '30 days')`: what is not said is nil.
public struct RefOptionList: Hashable, Sendable {
    public var isProtected: Bool?
    public var retainDays: Int?
    public init(isProtected: Bool? = nil, retainDays: Int? = nil) {
        self.isProtected = isProtected
        self.retainDays = retainDays
    }
}
