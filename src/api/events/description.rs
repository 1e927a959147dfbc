//! What the description of the API says of each message of the stream: one schema a kind, with that of its data.
//!
//! `OpenAPI` 3.1 has no word for a text that is a row of messages: as its readers have it, the schema of `text/event-stream` is that of
//! one message, with the fields of the stream as properties.

use utoipa::openapi::schema::{ArrayItems, KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::message::{Counts, IncidentsTold, ListChange, Packet};
use crate::model::Outcome;

const OUTCOMES: [Outcome; 3] = [Outcome::Up, Outcome::Down, Outcome::Unknown];

/// One message of the stream.
pub struct Event;

/// New results; written by hand in [`message`](super::message), and so described.
struct Beats;

/// What says nothing but its kind.
struct Resync;

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(message("beats", &Beats::name()))
            .item(message("incident", &IncidentsTold::name()))
            .item(message("overview", &Counts::name()))
            .item(message("targets", &ListChange::name()))
            .item(message("packet", &Packet::name()))
            .item(message("resync", &Resync::name()))
            .description(Some("One message of the stream, by its fields"))
            .into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add::<Beats>(schemas);
        add::<IncidentsTold>(schemas);
        add::<Counts>(schemas);
        add::<ListChange>(schemas);
        add::<Packet>(schemas);
        add::<Resync>(schemas);
    }
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn message(kind: &str, data: &str) -> Object {
    let event = text().enum_values(Some([kind]));
    let data = text()
        .content_media_type("application/json")
        .content_schema(Some(Ref::from_schema_name(data)));
    let id = text().description(Some("what to go on from, as `Last-Event-ID`"));
    let retry = whole().description(Some("milliseconds from a break to the next try"));
    ObjectBuilder::new()
        .property("event", event)
        .property("data", data)
        .property("id", id)
        .property("retry", retry)
        .required("event")
        .required("data")
        .build()
}

impl PartialSchema for Beats {
    fn schema() -> RefOr<Schema> {
        let target = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        let instant = whole().description(Some("the slot, in microseconds since 1970"));
        let outcome = text().enum_values(Some(OUTCOMES.map(Outcome::as_str)));
        let latency = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .description(Some("latency in microseconds; null without an answer"));
        let impaired = whole()
            .enum_values(Some([1]))
            .description(Some("only there if it was slow, or packets were lost"));
        let parts = [target, instant, outcome, latency, impaired];
        let beat = ArrayBuilder::new()
            .prefix_items(parts.map(|part| Schema::from(part.build())))
            .items(ArrayItems::False)
            .min_items(Some(4))
            .max_items(Some(5));
        let newest_only = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(
                "there were so many that of each target only the newest is here",
            ));
        ObjectBuilder::new()
            .property("newest_only", newest_only)
            .property("beats", ArrayBuilder::new().items(beat))
            .required("newest_only")
            .required("beats")
            .into()
    }
}

impl PartialSchema for Resync {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("something was left out: look at everything again"))
            .max_properties(Some(0))
            .into()
    }
}

impl ToSchema for Beats {}

impl ToSchema for Resync {}
