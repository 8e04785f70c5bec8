//! `escrowd config`: shows the settings in force and the source of each, or prints the
//! commented defaults.

use std::fmt::Write;
use std::process::ExitCode;

use anstyle::Style;
use clap::Subcommand;
use serde_json::json;

use crate::cli::output::{self, BOLD};
use crate::cli::settings::{SettingsArguments, variables};
use crate::config::{Accepted, Config, DEFAULTS, Setting, SettingValue, Source};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    command: Option<ConfigCommand>,
    #[command(flatten)]
    show: ShowArguments,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show the settings in force, with the source of each; this is the default command. Fails
    /// as a start would if they are invalid
    Show(ShowArguments),
    /// Print every setting with its default and a comment, as a config.toml to begin with
    Default,
}

#[derive(Debug, clap::Args)]
struct ShowArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The widest setting behind which the sources are aligned.
const WIDTH_MAX: usize = 60;

/// Prints the defaults, or the settings in force for the current folder, the environment and
/// these options. Secrets are not shown.
pub(super) fn run(arguments: ConfigArguments) -> anyhow::Result<ExitCode> {
    let command = arguments.command.unwrap_or(ConfigCommand::Show(arguments.show));
    let ConfigCommand::Show(ShowArguments { settings, json }) = command else {
        return output::print(DEFAULTS.as_bytes());
    };
    let settings = Config::in_force(&settings.flags(Accepted::default()), variables())?;
    if json {
        let shown: Vec<_> = settings.iter().map(as_json).collect();
        let shown = serde_json::to_string_pretty(&json!({ "settings": shown }))? + "\n";
        return output::print(shown.as_bytes());
    }
    output::print(as_lines(&settings).as_bytes())
}

/// Renders each setting as a line of a configuration file, with its source as a comment.
fn as_lines(settings: &[Setting]) -> String {
    let lines: Vec<String> = settings.iter().map(line).collect();
    let widths = lines.iter().map(|line| line.chars().count());
    let width = widths.filter(|&width| width <= WIDTH_MAX).max().unwrap_or(0);
    let mut shown = String::new();
    for (line, setting) in lines.iter().zip(settings) {
        let style = match setting.source {
            Source::Default => Style::new(),
            Source::File(_) | Source::Variable(_) | Source::Flag(_) => BOLD,
        };
        writeln!(shown, "{style}{line:<width$}{style:#}  # {}", setting.source).expect("a string takes every text");
    }
    shown
}

fn line(Setting { key, value, .. }: &Setting) -> String {
    match value {
        SettingValue::Unset => format!("# {key} is not set"),
        SettingValue::Secret => format!("# {key} = (set)"),
        SettingValue::Shown(value) => format!("{key} = {value}"),
    }
}

fn as_json(Setting { key, value, source }: &Setting) -> serde_json::Value {
    let (is_set, is_secret, value) = match value {
        SettingValue::Unset => (false, false, None),
        SettingValue::Secret => (true, true, None),
        SettingValue::Shown(value) => (true, false, Some(value)),
    };
    let (source, from) = match source {
        Source::Default => ("default", None),
        Source::File(path) => ("file", Some(path.display().to_string())),
        Source::Variable(name) => ("variable", Some(name.clone())),
        Source::Flag(flag) => ("flag", Some((*flag).to_owned())),
    };
    json!({
        "key": key, "value": value, "isSet": is_set, "isSecret": is_secret, "source": source, "from": from,
    })
}
