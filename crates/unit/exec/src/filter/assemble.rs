//! Filters as programs for the kernel: classic BPF over the number, the architecture and the arguments of a system
//! call, seccomp(2).

use perigee_process::FilterInstruction;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    /// It is done, and the kernel logs it.
    Log,
    /// It fails with this errno(3).
    Error(u16),
    /// The process dies by SIGSYS.
    Kill,
}

/// What an argument must be for a rule to hold; the lower 32 bits of it.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Any of these bits is set.
    Any(u32),
    /// All of these bits are set.
    All(u32),
    /// With this mask it is this value.
    Is(u32, u32),
    /// With this mask it is not this value.
    IsNot(u32, u32),
}

/// A call, what its arguments must be, and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) number: u32,
    /// The place of an argument, and its test; all must hold.
    pub(super) tests: Vec<(u8, Test)>,
    pub(super) action: Action,
}

/// Instructions of one program are no more than this for the kernel.
pub(super) const MOST_INSTRUCTIONS: usize = 4096;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const NOT_LESS: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> FilterInstruction {
    FilterInstruction { code, jt, jf, k }
}

impl Action {
    pub(super) fn code(self) -> u32 {
        match self {
            Action::Allow => 0x7FFF_0000,
            Action::Log => 0x7FFC_0000,
            Action::Error(errno) => 0x0005_0000 | u32::from(errno),
            Action::Kill => 0x8000_0000,
        }
    }

    fn back(self) -> FilterInstruction {
        instruction(RETURN, self.code(), 0, 0)
    }
}

/// A program of one section for each architecture, which ends in every case; calls of others have `otherwise`.
pub(super) fn program(
    sections: &[(u32, Vec<FilterInstruction>)],
    otherwise: Action,
) -> Vec<FilterInstruction> {
    let mut program = vec![instruction(LOAD, ARCHITECTURE, 0, 0)];
    for (architecture, section) in sections {
        program.push(instruction(EQUAL, *architecture, 1, 0));
        program.push(instruction(JUMP, section.len() as u32, 0, 0));
        program.extend(section);
    }
    program.push(otherwise.back());
    program
}

/// A section which looks at numbers alone: from each number on, up to the next one, an action. The first is from 0.
pub(super) fn ranges(ranges: &[(u32, Action)]) -> Vec<FilterInstruction> {
    let mut section = vec![instruction(LOAD, NUMBER, 0, 0)];
    section.extend(tree(ranges));
    section
}

/// Halves the ranges, so that no call is compared with more than a few numbers.
fn tree(ranges: &[(u32, Action)]) -> Vec<FilterInstruction> {
    match ranges {
        [] => vec![Action::Allow.back()],
        [(_, action)] => vec![action.back()],
        ranges => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let lower = tree(lower);
            // Not less: over the lower half.
            let mut section =
                vec![instruction(NOT_LESS, upper[0].0, 0, 1), instruction(JUMP, lower.len() as u32, 0, 0)];
            section.extend(lower);
            section.extend(tree(upper));
            section
        }
    }
}

/// A section of rules; the first that holds decides, and what none says something about is allowed.
pub(super) fn rules(rules: &[Rule]) -> Vec<FilterInstruction> {
    let mut section = Vec::new();
    for rule in rules {
        let mut body = Vec::new();
        // From the last test to the first: where one does not hold, the rest of the rule is skipped.
        let mut after = vec![rule.action.back()];
        for (place, test) in rule.tests.iter().rev() {
            let argument = instruction(LOAD, ARGUMENTS + 8 * u32::from(*place), 0, 0);
            let skip = after.len() as u8;
            let mut code = match test {
                Test::Any(bits) => vec![argument, instruction(ANY_BIT, *bits, 0, skip)],
                Test::All(bits) => {
                    vec![argument, instruction(AND, *bits, 0, 0), instruction(EQUAL, *bits, 0, skip)]
                }
                Test::Is(mask, value) => {
                    vec![argument, instruction(AND, *mask, 0, 0), instruction(EQUAL, *value, 0, skip)]
                }
                Test::IsNot(mask, value) => {
                    vec![argument, instruction(AND, *mask, 0, 0), instruction(EQUAL, *value, skip, 0)]
                }
            };
            code.extend(after);
            after = code;
        }
        body.extend(after);
        section.push(instruction(LOAD, NUMBER, 0, 0));
        section.push(instruction(EQUAL, rule.number, 0, body.len() as u8));
        section.extend(body);
    }
    section.push(Action::Allow.back());
    section
}

/// What a program says of a call: as the kernel runs it.
#[cfg(test)]
pub(super) fn run(program: &[FilterInstruction], architecture: u32, number: u32, arguments: [u32; 6]) -> u32 {
    let (mut at, mut value) = (0, 0);
    loop {
        let FilterInstruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut jump = |holds| at += usize::from(if holds { jt } else { jf });
        match code {
            LOAD => {
                value = match k {
                    NUMBER => number,
                    ARCHITECTURE => architecture,
                    argument => arguments[(argument - ARGUMENTS) as usize / 8],
                }
            }
            AND => value &= k,
            JUMP => at += k as usize,
            EQUAL => jump(value == k),
            NOT_LESS => jump(value >= k),
            ANY_BIT => jump(value & k != 0),
            RETURN => return k,
            other => panic!("{other:#x} is no instruction that is used here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_the_action_of_its_range() {
        let actions = [Action::Allow, Action::Kill, Action::Error(1), Action::Log];
        let cut: Vec<_> = (0..300u32).map(|index| (index * 3, actions[index as usize % 4])).collect();
        let program = program(&[(7, ranges(&cut))], Action::Kill);
        assert!(program.len() < MOST_INSTRUCTIONS);
        for number in 0..1000 {
            let expected = cut.iter().rev().find(|(first, _)| *first <= number).unwrap().1;
            assert_eq!(run(&program, 7, number, [0; 6]), expected.code(), "{number}");
        }
        assert_eq!(run(&program, 8, 0, [0; 6]), Action::Kill.code());
    }

    #[test]
    fn rules_look_at_arguments() {
        let rule =
            |number, tests: &[(u8, Test)]| Rule { number, tests: tests.to_vec(), action: Action::Error(1) };
        let section = rules(&[
            rule(1, &[(0, Test::Any(6)), (5, Test::IsNot(0xFF, 9))]),
            rule(1, &[(1, Test::All(3))]),
            rule(2, &[]),
            rule(3, &[(2, Test::Is(0xF0, 0x20))]),
        ]);
        let program = program(&[(7, section)], Action::Kill);
        let refused = |number, arguments| run(&program, 7, number, arguments) == Action::Error(1).code();
        assert!(refused(1, [2, 0, 0, 0, 0, 8]) && !refused(1, [2, 0, 0, 0, 0, 0x109]));
        assert!(!refused(1, [1, 1, 0, 0, 0, 0]) && refused(1, [1, 7, 0, 0, 0, 0]));
        assert!(refused(2, [0; 6]) && !refused(4, [0; 6]));
        assert!(refused(3, [0, 0, 0x2F, 0, 0, 0]) && !refused(3, [0, 0, 0x3F, 0, 0, 0]));
    }
}
