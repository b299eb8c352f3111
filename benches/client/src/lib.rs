//! The load client behind `fanfare bench`.
