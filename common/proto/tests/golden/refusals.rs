//! Refusals and failed calls.

use eggs_proto::*;
use expect_test::expect;

use crate::{bytes_of, hex};

#[test]
fn refusals() {
    let problem = ExtentProblem::NotAtEnd;
    let argument = InvalidArgument::Encoding;
    pin!(
        Refusal[
            NotFound, Exists, NotDirectory, IsDirectory, NotEmpty, WrongShard, BadCookie,
            NotTransient, Expired, BadExtent, BadProof, NotCertified, NoSpace, Locked,
            NeedsCoordinator, Loop, Forbidden, Invalid, Unsupported, BadPolicy, Changed, NoSnapshot,
            NoAttribute, AttributesFull, MetadataFull,
        ],
        [
            Refusal::NotFound,
            Refusal::Exists,
            Refusal::NotDirectory,
            Refusal::IsDirectory,
            Refusal::NotEmpty,
            Refusal::WrongShard,
            Refusal::BadCookie,
            Refusal::NotTransient,
            Refusal::Expired,
            Refusal::BadExtent(problem),
            Refusal::BadProof { index: 1 },
            Refusal::NotCertified,
            Refusal::NoSpace { healthy: 1, needed: 2 },
            Refusal::Locked,
            Refusal::NeedsCoordinator,
            Refusal::Loop,
            Refusal::Forbidden,
            Refusal::Invalid(argument),
            Refusal::Unsupported,
            Refusal::BadPolicy(BadPolicyWire::Rows),
            Refusal::Changed,
            Refusal::NoSnapshot,
            Refusal::NoAttribute,
            Refusal::AttributesFull,
            Refusal::MetadataFull,
        ],
        expect![[r#"
            NotFound 00
            Exists 01
            NotDirectory 02
            IsDirectory 03
            NotEmpty 04
            WrongShard 05
            BadCookie 06
            NotTransient 07
            Expired 08
            BadExtent 0900
            BadProof 0a01
            NotCertified 0b
            NoSpace 0c0102
            Locked 0d
            NeedsCoordinator 0e
            Loop 0f
            Forbidden 10
            Invalid 1100
            Unsupported 12
            BadPolicy 1300
            Changed 14
            NoSnapshot 15
            NoAttribute 16
            AttributesFull 17
            MetadataFull 18
        "#]]
    );
    pin!(
        ExtentProblem[NotAtEnd, Sizes, Missing, InlineTooLarge, State],
        [
            ExtentProblem::NotAtEnd,
            ExtentProblem::Sizes,
            ExtentProblem::Missing,
            ExtentProblem::InlineTooLarge,
            ExtentProblem::State,
        ],
        expect![[r#"
            NotAtEnd 00
            Sizes 01
            Missing 02
            InlineTooLarge 03
            State 04
        "#]]
    );
    pin!(
        InvalidArgument[Encoding, Target, Kind, List, Mode, Range],
        [
            InvalidArgument::Encoding,
            InvalidArgument::Target,
            InvalidArgument::Kind,
            InvalidArgument::List,
            InvalidArgument::Mode,
            InvalidArgument::Range,
        ],
        expect![[r#"
            Encoding 00
            Target 01
            Kind 02
            List 03
            Mode 04
            Range 05
        "#]]
    );
    pin!(
        BadPolicyWire[Rows, Scheme, Size],
        [BadPolicyWire::Rows, BadPolicyWire::Scheme, BadPolicyWire::Size],
        expect![[r#"
            Rows 00
            Scheme 01
            Size 02
        "#]]
    );
    let leader = Some(NodeId::new(ProcessRole::Shard, 2));
    pin!(
        CallError[
            Refused, NotLeader, NotHosted, Overloaded, Deadline, Unavailable, Malformed, Forbidden,
        ],
        [
            CallError::Refused(Refusal::Locked),
            CallError::NotLeader { leader },
            CallError::NotHosted,
            CallError::Overloaded,
            CallError::Deadline,
            CallError::Unavailable("x".into()),
            CallError::Malformed,
            CallError::Forbidden,
        ],
        expect![[r#"
            Refused 000d
            NotLeader 01018280808010
            NotHosted 02
            Overloaded 03
            Deadline 04
            Unavailable 050178
            Malformed 06
            Forbidden 07
        "#]]
    );
}
