//! `transient-files`: files being written, of all shards.

use eggs_client::{Client, ClientError};
use eggs_proto::shard::{ShardQuery, ShardReply, TransientInfo};
use eggs_proto::{LIST_ENTRIES_MAX, ShardId, Time};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::size::show_size;
use crate::text::table::{Align, lines};
use crate::text::time::show_span;

/// Shards asked at the same time.
const SHARDS_IN_FLIGHT: usize = 32;

/// A transient file and the time of its shard.
type Found = (TransientInfo, Time);

pub(crate) async fn run(context: &Context) -> Result<Exit, Failure> {
    let shards = stream::iter(ShardId::all().map(|shard| of_shard(&context.client, shard)));
    let found: Result<Vec<Vec<Found>>, ClientError> =
        shards.buffered(SHARDS_IN_FLIGHT).try_collect().await;
    let found = found.map_err(|error| Failure::remote("list", "transient files", &error))?;
    let all: Vec<Found> = found.into_iter().flatten().collect();
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&all.iter().map(as_json).collect())?,
        Format::Text if all.is_empty() => output.line("no transient files")?,
        Format::Text => output.lines(&as_lines(&all))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn of_shard(client: &Client, shard: ShardId) -> Result<Vec<Found>, ClientError> {
    let mut all: Vec<Found> = Vec::new();
    loop {
        let after = all.last().map(|(last, _)| (last.deadline, last.file));
        let limit = LIST_ENTRIES_MAX;
        let reply = client
            .shard_query(shard, ShardQuery::VisitTransients { after, limit })
            .await?;
        let ShardReply::Transients {
            transients,
            more,
            now,
        } = reply
        else {
            let what = format!("shard {shard}");
            return Err(ClientError::Protocol { what });
        };
        let nothing_new = transients.is_empty();
        all.extend(transients.into_iter().map(|info| (info, now)));
        if nothing_new || !more {
            return Ok(all);
        }
    }
}

fn left(info: &TransientInfo, now: Time) -> String {
    match info.deadline.ms_since(now) {
        0 => "expired".to_owned(),
        ms => show_span(ms),
    }
}

fn as_lines(all: &[Found]) -> Vec<String> {
    let heading = ["INODE", "SHARD", "SIZE", "TIME LEFT", "NAME"]
        .map(String::from)
        .to_vec();
    let row = |(info, now): &Found| {
        vec![
            info.file.to_string(),
            info.file.shard().to_string(),
            show_size(info.size),
            left(info, *now),
            info.note
                .chars()
                .map(|c| if c.is_control() { '?' } else { c })
                .collect(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(all.iter().map(row))
        .collect();
    let right = Align::Right;
    lines(
        &[Align::Left, Align::Left, right, right, Align::Left],
        &rows,
    )
}

fn as_json((info, now): &Found) -> Value {
    json!({
        "inode": info.file.to_string(),
        "shard": info.file.shard().0,
        "size": info.size,
        "ms_left": info.deadline.ms_since(*now),
        "note": info.note,
    })
}
