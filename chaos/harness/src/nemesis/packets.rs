//! Real packets get lost or arrive twice, in one direction or both; connections are refused.

use std::time::Duration;

use anyhow::Result;

use super::field::Field;
use crate::Random;
use crate::namespaces::{Matter, Packets};

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let servers = field.processes(&["shard", "cdc", "shuckle", "blocks"])?;
    let metadata = field.processes(&["shard", "cdc", "shuckle"])?;
    let (Some(one), Some(other)) = (random.pick(&metadata), random.pick(&servers)) else {
        return Ok(());
    };
    let (one, other) = (Some(one.clone()), Some(other.clone()).filter(|o| o != one));
    let few = Matter::Lost {
        permille: random.between(5, 60) as u16,
    };
    let many = Matter::Lost {
        permille: random.between(60, 400) as u16,
    };
    let all = Matter::Lost { permille: 1000 };
    let twice = Matter::Doubled {
        permille: random.between(50, 1000) as u16,
    };
    let befalls = |matter, from: &Option<String>, to: &Option<String>| Packets {
        from: from.clone(),
        to: to.clone(),
        matter,
    };
    let packets = match random.below(8) {
        0 => vec![befalls(few, &None, &None)],
        1 => vec![befalls(many, &one, &None), befalls(many, &None, &one)],
        2 => vec![befalls(all, &one, &None)],
        3 => vec![befalls(all, &None, &one)],
        4 => vec![befalls(all, &one, &other)],
        5 => vec![befalls(Matter::NoNewConnections, &None, &one)],
        6 => vec![befalls(twice, &None, &None)],
        _ => vec![befalls(twice, &None, &None), befalls(few, &None, &None)],
    };
    let millis = random.between(500, 7000);
    befall(field, &packets, millis).await
}

async fn befall(field: &Field, packets: &[Packets], millis: u64) -> Result<()> {
    let Some(hub) = field.dress.as_ref().and_then(|dress| dress.hub()) else {
        anyhow::bail!("the cluster was started without namespaces");
    };
    let told: Vec<String> = packets.iter().map(tell).collect();
    let what = told.join("; ");
    let fault = field.recorder.fault(&what);
    hub.impose(packets)?;
    tokio::time::sleep(Duration::from_millis(millis)).await;
    let met = hub.lift()?;
    field.recorder.healed(fault, &what);
    field
        .recorder
        .note(&format!("{met} packets were met by: {what}"));
    Ok(())
}

fn tell(packets: &Packets) -> String {
    let what = match packets.matter {
        Matter::Lost { permille: 1000.. } => "all packets are lost".to_owned(),
        Matter::Lost { permille } => format!("{permille} of 1000 packets are lost"),
        Matter::Doubled { permille } => format!("{permille} of 1000 packets arrive twice"),
        Matter::NoNewConnections => "no new connection gets through".to_owned(),
    };
    let from = packets.from.as_ref().map(|name| format!(" from {name}"));
    let to = packets.to.as_ref().map(|name| format!(" to {name}"));
    format!(
        "{what}{}{}",
        from.unwrap_or_default(),
        to.unwrap_or_default()
    )
}
