//! Clusters of real processes, and the shape of the workspace. Each test has its own cluster; nextest runs each in a process of its own.

mod backup;
mod by_hand;
mod chaos;
mod dashboard;
mod disks_move;
mod fsck_is_clean;
mod fsck_repairs_damage;
mod full_metadata_disk;
mod heals_itself;
mod large;
mod layout;
mod leaves_nothing;
mod rebuilds_itself;
mod refuses_bad_input;
mod refuses_bad_requests;
mod run_commands;
mod space_comes_back;
mod survives_failing_disk;
mod survives_four_lost_domains;
mod survives_killed_metadata;
mod survives_lost_disk;
mod survives_power_cut;
mod survives_rot;
mod tour;
