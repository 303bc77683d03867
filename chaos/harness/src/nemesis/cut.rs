//! Partitions of every shape, slow and unreliable connections.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::field::Field;
use crate::Random;
use crate::network::{CLIENTS, Effect, Rule, Side};

/// Nothing passes for a while between some processes and others.
pub(super) async fn partition(field: &Field, random: &mut Random) -> Result<()> {
    let metadata = field.processes(&["shard", "cdc", "shuckle"])?;
    let Some(victim) = random.pick(&metadata).cloned() else {
        return Ok(());
    };
    let only_clients = || Side::AllBut(BTreeSet::from([victim.clone(), CLIENTS.to_owned()]));
    let rest = || Side::AllBut(BTreeSet::from([victim.clone()]));
    let me = || Side::one(&victim);
    let (what, rules) = match random.below(6) {
        0 => (format!("cut off {victim}"), both(&me(), &rest())),
        // Clients still reach it: it must not answer what it cannot know.
        1 => (
            format!("cut {victim} off from servers, not from clients"),
            both(&me(), &only_clients()),
        ),
        2 => (
            format!("nothing reaches {victim}"),
            vec![hold(rest(), me())],
        ),
        3 => (
            format!("nothing comes from {victim}"),
            vec![hold(me(), rest())],
        ),
        4 => {
            // The other two still see it, and each other not.
            let kind = victim.trim_end_matches(|c: char| c.is_ascii_digit());
            let others = field.processes(&[kind])?;
            let others: Vec<_> = others.into_iter().filter(|name| *name != victim).collect();
            let (Some(one), Some(other)) = (others.first(), others.last()) else {
                return Ok(());
            };
            let rules = both(&Side::one(one), &Side::one(other));
            (
                format!("cut {one} off from {other}; {victim} sees both"),
                rules,
            )
        }
        _ => host(field, random)?,
    };
    let millis = random.between(500, 9000);
    hold_for(field, &what, rules, millis).await
}

/// Connections get slow, or break now and then, for a while.
pub(super) async fn flaky(field: &Field, random: &mut Random) -> Result<()> {
    let (what, effect) = if random.percent(50) {
        let ms_max = random.between(5, 120);
        (
            format!("delay of up to {ms_max} ms"),
            Effect::Delay { ms_max },
        )
    } else {
        let permille = random.between(2, 40);
        (
            format!("connections break, {permille} of 1000 messages"),
            Effect::Break { permille },
        )
    };
    let (whom, from) = match field.any_process(random)? {
        Some(victim) if random.percent(50) => (format!(" from {victim}"), Side::one(&victim)),
        Some(_) | None => (String::new(), Side::all()),
    };
    let to = Side::all();
    let rule = Rule { from, to, effect };
    let millis = random.between(1000, 6000);
    hold_for(field, &format!("{what}{whom}"), vec![rule], millis).await
}

/// Everything that would be on one of three machines is cut off from the others.
fn host(field: &Field, random: &mut Random) -> Result<(String, Vec<Rule>)> {
    const HOSTS: usize = 3;
    let host = random.below(HOSTS);
    let all = field.processes(&["shard", "cdc", "shuckle", "blocks"])?;
    let number = |name: &String| {
        name.trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok()
    };
    let mut here: BTreeSet<String> = all
        .into_iter()
        .filter(|name| number(name).is_some_and(|n: usize| n % HOSTS == host))
        .collect();
    let clients = if random.percent(25) {
        here.insert(CLIENTS.to_owned());
        " together with all clients"
    } else {
        ""
    };
    let rules = both(&Side::Of(here.clone()), &Side::AllBut(here));
    Ok((format!("cut off host {host} of {HOSTS}{clients}"), rules))
}

const fn hold(from: Side, to: Side) -> Rule {
    let effect = Effect::Hold;
    Rule { from, to, effect }
}

fn both(one: &Side, other: &Side) -> Vec<Rule> {
    vec![
        hold(one.clone(), other.clone()),
        hold(other.clone(), one.clone()),
    ]
}

async fn hold_for(field: &Field, what: &str, rules: Vec<Rule>, millis: u64) -> Result<()> {
    let Some(dress) = &field.dress else {
        return Ok(());
    };
    let fault = field.recorder.fault(what);
    let imposed = dress.network().impose(rules);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    dress.network().lift(imposed);
    field.recorder.healed(fault, what);
    Ok(())
}
