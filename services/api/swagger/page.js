// A file of its own: the page's policy allows no inline script
window.ui = SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null, // it would send the document to swagger.io
});
