{# Schemas are named as they are: the branch keeps developers apart, not the name. #}
{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}
